// [data-follow] stays at its end while new lines come in, unless the reader has scrolled up. Its
// oldest lines give way then, so that a long log leaves the page quick; they are a click away.
const NEAR_END_PIXELS = 40;
const LINES_AT_MOST = 4000;

document.addEventListener("htmx:beforeSwap", (event) => {
  const log = event.detail.target.closest("[data-follow]");
  if (!log) return;
  const fromEnd = log.scrollHeight - log.scrollTop - log.clientHeight;
  log.dataset.atEnd = fromEnd < NEAR_END_PIXELS;
  if (event.detail.target.matches(".log-gap")) log.dataset.keep = log.scrollHeight - log.scrollTop;
});

function trim(log) {
  let lines = log.querySelectorAll(".log-line").length;
  const gap = log.querySelector(".log-gap");
  while (lines > LINES_AT_MOST && gap?.nextElementSibling?.matches(".log-chunk")) {
    const oldest = gap.nextElementSibling;
    lines -= oldest.childElementCount;
    const link = gap.querySelector("a");
    for (const name of ["href", "hx-get"]) {
      link.setAttribute(name, link.getAttribute(name).replace(/before=\d+/, `before=${oldest.dataset.end}`));
    }
    gap.querySelector("[data-earlier]").textContent = `(${oldest.dataset.end} bytes into the log)`;
    htmx.process(link);
    gap.hidden = false;
    oldest.remove();
  }
}

function settle() {
  for (const log of document.querySelectorAll("[data-follow]")) {
    const isNew = !log.dataset.isOpen;
    log.dataset.isOpen = "yes";
    const isGrowing = log.querySelector('.log-next[hx-trigger^="every"]');
    const isTail = isNew && log.querySelector(".log-gap:not([hidden])");
    if (log.dataset.keep) {
      log.scrollTop = log.scrollHeight - log.dataset.keep;
      delete log.dataset.keep;
    } else if (log.dataset.atEnd !== "false" && (isGrowing || isTail)) {
      trim(log);
      log.scrollTop = log.scrollHeight;
    }
  }
}

document.addEventListener("DOMContentLoaded", settle);
document.addEventListener("htmx:afterSettle", settle);
