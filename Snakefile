"""TransferGrid, started in its own folder: workflow/Snakefile, with the study in config.yaml."""

DEFAULT_STUDY = "config.yaml"


include: "workflow/Snakefile"


# An included file chooses no target.
workflow.default_target = "all"
