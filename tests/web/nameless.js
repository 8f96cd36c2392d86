// The controls that a screen reader could not name.
() => [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select")]
  .filter((control) => !(control.textContent.trim() || control.getAttribute("aria-label") || control.title
    || control.closest("label") || control.placeholder))
  .map((control) => control.outerHTML)
