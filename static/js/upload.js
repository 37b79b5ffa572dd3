// <form data-upload>: one request per file, with its progress; without JavaScript a plain form.
let running = 0;

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text) made.textContent = text;
  return made;
}

function button(text, action) {
  const made = element("button", "btn btn-sm", text);
  made.type = "button";
  made.addEventListener("click", action, { once: true });
  return made;
}

function line(form, file) {
  const item = document.createElement("li");
  const name = document.createElement("bdi");
  name.textContent = file.name;
  const label = element("span", "upload-file");
  label.append(name);
  const state = element("span", "upload-state");
  const bar = element("progress", "progress progress-sm");
  bar.max = 100;
  bar.value = 0;
  bar.setAttribute("aria-label", file.name);
  item.append(label, state, bar);
  form.querySelector("[data-upload-list]").append(item);
  return { item, state, bar };
}

function settle(row, className, text, ...actions) {
  row.item.className = className;
  row.state.replaceChildren(text, ...actions);
  row.bar.remove();
}

function answerOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return { message: "Not stored: the server gave no answer. Load the page again and retry." };
  }
}

function send(form, file, row, replace) {
  return new Promise((resolve) => {
    const data = new FormData();
    data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    if (replace) data.append("replace", "1");
    data.append("files", file, file.name);
    data.append("complete", "1"); // last: the server takes a form without it for a broken one
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    row.state.replaceChildren("Waiting", button("CANCEL", () => request.abort()));
    request.upload.addEventListener("progress", (event) => {
      if (!event.lengthComputable) return;
      row.bar.value = (100 * event.loaded) / event.total;
      row.state.firstChild.textContent = `${Math.floor(row.bar.value)}%`;
    });
    request.addEventListener("load", () => {
      const answer = answerOf(request);
      if (request.status === 201) settle(row, "is-stored", "Stored");
      else if (answer.code === "Exists") {
        settle(row, "is-refused", answer.message, button("REPLACE", () => again(form, file, row)));
      } else settle(row, "is-refused", answer.message);
    });
    request.addEventListener("error", () => settle(row, "is-refused", "Not stored: the connection broke."));
    request.addEventListener("abort", () => settle(row, "is-refused", "Cancelled; nothing was stored."));
    request.addEventListener("loadend", resolve);
    request.send(data);
  });
}

async function again(form, file, row) {
  row.item.remove();
  await sendAll(form, [file], true);
}

async function sendAll(form, files, replace) {
  running += 1;
  const rows = files.map((file) => [file, line(form, file)]);
  for (const [file, row] of rows) {
    if (file.size > Number(form.dataset.maxBytes)) {
      settle(row, "is-refused", `Larger than ${form.dataset.limit}; not sent.`);
    } else {
      await send(form, file, row, replace);
    }
  }
  running -= 1;
  if (!document.querySelector("#files :popover-open")) {
    htmx.ajax("GET", location.href, { target: "#files", select: "#files", swap: "outerHTML" });
  }
}

function start(form, files) {
  if (!running) form.querySelector("[data-upload-list]").replaceChildren();
  sendAll(form, [...files], form.elements.replace.checked);
  form.elements.files.value = "";
}

document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-upload]");
  if (!form) return;
  event.preventDefault();
  start(form, form.elements.files.files);
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    const form = event.target.closest?.("form[data-upload]");
    if (!form || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    form.classList.toggle("is-over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) start(form, event.dataTransfer.files);
  });
}
window.addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});
