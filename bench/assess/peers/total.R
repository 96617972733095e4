# Quantile of a compound Poisson loss with lognormal damages, by actuar's recursion of Panjer. Arguments: repetitions, point or bracket, points of the lattice.
suppressMessages(library(actuar))
args <- commandArgs(trailingOnly = TRUE)
text <- paste(readLines(file("stdin"), warn = FALSE), collapse = "")
field <- function(name) as.numeric(sub(paste0('.*"', name, '":\\[?([-0-9.eE+]+).*'), "\\1", text))
rate <- field("lambda"); mu <- field("mu"); sigma <- field("sigma"); level <- field("level"); span <- field("span") / 2
points <- as.numeric(args[3])
step <- span / points
quantile.of <- function(method) {
  damages <- discretize(plnorm(x, mu, sigma), from = 0, to = span, step = step, method = method)
  law <- aggregateDist("recursive", model.freq = "poisson", model.sev = damages, lambda = rate, x.scale = step, maxit = 100 * points, tol = 1e-4)
  as.numeric(quantile(law, level))
}
cpu <- c(); wall <- c()
for (i in seq_len(as.integer(args[1]))) {
  t <- system.time({
    if (args[2] == "point") {
      value <- quantile.of("rounding"); bounds <- ""
    } else {
      low <- quantile.of("upper"); high <- quantile.of("lower"); value <- (low + high) / 2
      bounds <- sprintf(',"low":%.10g,"high":%.10g', low, high)
    }
  })
  cpu <- c(cpu, t[["user.self"]] + t[["sys.self"]]); wall <- c(wall, t[["elapsed"]])
}
list <- function(v) paste0("[", paste(sprintf("%.6f", v), collapse = ","), "]")
cat(sprintf('{"value":%.10g%s,"cpu":%s,"wall":%s}\n', value, bounds, list(cpu), list(wall)))
