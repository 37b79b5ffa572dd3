// [data-follow] stays at its end while new lines come in, unless the reader has scrolled up.
const NEAR_END_PIXELS = 40;

document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target.closest("[data-follow]");
  if (!log) return;
  const fromEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
  log.dataset.atEnd = fromEnd < NEAR_END_PIXELS;
});
document.addEventListener("htmx:afterSettle", (event) => {
  for (const log of document.querySelectorAll("[data-follow]")) {
    if (log.dataset.atEnd !== "false" && log.querySelector(".log-next")) log.scrollTop = log.scrollHeight;
  }
});
