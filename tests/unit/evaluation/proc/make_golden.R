# What pROC makes of scores.csv: two models on the same cases, by DeLong's method.
#
#     Rscript make_golden.R        in this folder; writes golden.csv
#
# scores.csv holds simulated scores (normal; some rounded, so that they tie) and, in the cases
# "stored_...", the test ensembles of two networks of a small study on drawn films.

suppressPackageStartupMessages(library(pROC))

compare <- function(case, rows) {
  curve <- function(scores) {
    roc(rows$label, scores, levels = c(0, 1), direction = "<", quiet = TRUE)
  }
  a <- curve(rows$a)
  b <- curve(rows$b)
  bounds <- function(curve) ci.auc(curve, conf.level = 0.95, method = "delong")
  test <- roc.test(a, b, paired = TRUE, method = "delong")
  list(
    case = case,
    auc_a = as.numeric(auc(a)), auc_b = as.numeric(auc(b)),
    var_a = var(a, method = "delong"), var_b = var(b, method = "delong"),
    covariance = cov(a, b, method = "delong"),
    low_a = bounds(a)[1], high_a = bounds(a)[3],
    low_b = bounds(b)[1], high_b = bounds(b)[3],
    z = unname(test$statistic), p = test$p.value
  )
}

scores <- read.csv("scores.csv")
found <- lapply(unique(scores$case), function(name) {
  # pROC warns that the interval of a perfect curve has no width.
  row <- suppressWarnings(compare(name, scores[scores$case == name, ]))
  vapply(row, function(value) {
    if (is.character(value)) value else format(value, digits = 17)
  }, "")
})
file <- file("golden.csv", "w")
version <- paste(packageVersion("pROC"))
writeLines(sprintf("# pROC %s, R %s.%s", version, R.version$major, R.version$minor), file)
write.csv(do.call(rbind, found), file, row.names = FALSE, quote = FALSE, eol = "\n")
close(file)
