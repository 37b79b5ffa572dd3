// <button data-copy="value"> puts its value on the clipboard and says so for a moment.
function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Plain http on another host than localhost has no clipboard API.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done ? Promise.resolve() : Promise.reject(new Error("copy refused"));
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const label = button.dataset.label ?? button.getAttribute("aria-label");
  button.dataset.label = label;
  try {
    await copyText(button.dataset.copy);
    button.classList.add("is-copied");
    button.setAttribute("aria-label", "Copied");
  } catch {
    button.setAttribute("aria-label", "Could not copy");
  }
  setTimeout(() => {
    button.classList.remove("is-copied");
    button.setAttribute("aria-label", label);
  }, 2000);
});
