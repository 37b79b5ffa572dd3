// A fragment that polls itself must not take away what the user has open in it:
// it waits while a question is open, and keeps each <details id> as it was.
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  if (target.querySelector?.(":popover-open")) {
    event.detail.shouldSwap = false;
    return;
  }
  const open = [...target.querySelectorAll("details[id][open]")].map((details) => details.id);
  if (target.matches("details[id][open]")) open.push(target.id);
  if (!open.length) return;
  document.addEventListener(
    "htmx:afterSwap",
    () => {
      for (const id of open) {
        const details = document.getElementById(id);
        if (details instanceof HTMLDetailsElement) details.open = true;
      }
    },
    { once: true },
  );
});
