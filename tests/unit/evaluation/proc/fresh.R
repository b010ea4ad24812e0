# pROC and R's own tests on numbers that are drawn anew by test_against_r.py.
#
#     Rscript fresh.R        in a folder with scores.csv and runs.csv; prints lines of name,value

suppressPackageStartupMessages(library(pROC))
show <- function(name, value) cat(sprintf("%s,%.17g\n", name, value))

# Scores of two models on the same cases.
rows <- read.csv("scores.csv")
curve <- function(scores) roc(rows$label, scores, levels = c(0, 1), direction = "<", quiet = TRUE)
a <- curve(rows$a)
b <- curve(rows$b)
for (level in c(0.9, 0.95, 0.99)) {
  bounds <- ci.auc(a, conf.level = level, method = "delong")
  show(sprintf("low %g", level), bounds[1])
  show(sprintf("high %g", level), bounds[3])
}
show("auc", as.numeric(auc(a)))
show("variance", var(a, method = "delong"))
show("covariance", cov(a, b, method = "delong"))
test <- roc.test(a, b, paired = TRUE, method = "delong")
show("z", unname(test$statistic))
show("p", test$p.value)

# AUROCs of two arms by seed, whose patients do not vary.
runs <- read.csv("runs.csv")
welch <- t.test(runs$a, runs$b)
show("welch df", unname(welch$parameter))
show("welch p", welch$p.value)
show("welch low", welch$conf.int[1])
show("welch high", welch$conf.int[2])
show("power", power.t.test(n = 7, delta = 0.9, sd = 1, type = "one.sample", strict = TRUE)$power)
