// Messages can be closed, and good news goes away by itself unless someone is reading it.
const FADE_AFTER_MS = 7000;

function fadeLater(message) {
  setTimeout(() => {
    if (message.matches(":hover, :focus-within")) fadeLater(message);
    else message.remove();
  }, FADE_AFTER_MS);
}

function watch(root) {
  for (const message of root.querySelectorAll(".messages [data-fades]:not([data-watched])")) {
    message.dataset.watched = "";
    fadeLater(message);
  }
}

document.addEventListener("click", (event) => {
  event.target.closest("[data-close]")?.closest(".alert").remove();
});
document.addEventListener("DOMContentLoaded", () => watch(document));
document.addEventListener("htmx:afterSettle", () => watch(document));
