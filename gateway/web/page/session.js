// The key that a person has signed in with: kept for this tab, and sent in a header alone.

const NAME = "image-pipeline-key";
// Where the browser keeps nothing for a page, it lasts until the page is left.
let remembered = "";

export function key() {
  try {
    return sessionStorage.getItem(NAME) ?? remembered;
  } catch {
    return remembered;
  }
}

export function keep(given) {
  remembered = given;
  try {
    sessionStorage.setItem(NAME, given);
  } catch {
    // It is remembered all the same.
  }
}

export function forget() {
  remembered = "";
  try {
    sessionStorage.removeItem(NAME);
  } catch {
    // Nothing was kept.
  }
}
