"""How Sphinx makes the site of the pages that stage.py lays out."""

project = "TransferGrid"
author = "The TransferGrid contributors"
extensions = ["myst_parser"]
# Headings are named as code hosts name them: the pages' links rely on that.
myst_heading_anchors = 6
# A block of code that does not say what it is, is none of Python's.
highlight_language = "text"
# Two hyphens are those of an option, and quotes those of a shell.
smartquotes = False
html_theme = "furo"
html_title = "TransferGrid"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
