// The page: signs a person in, takes pictures, and puts the parts together.

import { whoIs } from "./api.js";
import { Card } from "./card.js";
import { byId } from "./element.js";
import { chosen, dropped, pasted } from "./files.js";
import { Items } from "./items.js";
import { Jobs } from "./jobs.js";
import { bytes, pictures } from "./numbers.js";
import { Pace } from "./pace.js";
import { Problem, asProblem } from "./problem.js";
import * as kept from "./session.js";
import { Summary, retryable } from "./summary.js";
import { Uploads } from "./uploads.js";
import { wordsOf } from "./words.js";

const MOST_BYTES = Number(document.querySelector("meta[name=max-image-bytes]").content);
// What a page can show without becoming slow.
const MOST_ITEMS = 5_000;

// What a header can carry.
const KEY = /^[!-~]+$/;

const items = new Items();
const pace = new Pace();
const uploads = new Uploads(items, pace, MOST_BYTES);
const jobs = new Jobs(items, pace);
const summary = new Summary();
const cards = new Map();
let session = null;

// Signing in and out.

async function signIn(key) {
  if (!KEY.test(key)) throw new Problem("no-key");
  const ending = new AbortController();
  const { tenant } = await whoIs(key, ending.signal);
  kept.keep(key);
  session = {
    key,
    signal: ending.signal,
    end: () => ending.abort(new Problem("signed-out")),
    onAccepted: (item) => jobs.watch(item),
    onRefused: () => signOut("Your key is not accepted any more. Sign in to go on."),
  };
  byId("tenant").textContent = tenant;
  showSignedIn(true);
  uploads.start(session);
  jobs.start(session);
}

function signOut(why = "") {
  if (!session) return;
  uploads.stop();
  jobs.stop();
  session.end();
  session = null;
  kept.forget();
  showSignedIn(false);
  showKeyError(why);
  byId("key").focus();
}

function showSignedIn(isSignedIn) {
  byId("sign-in").hidden = isSignedIn;
  byId("work").hidden = byId("account").hidden = !isSignedIn;
}

function showKeyError(text) {
  byId("key-error").textContent = text;
  byId("key").toggleAttribute("aria-invalid", Boolean(text));
}

async function onKey(event) {
  event.preventDefault();
  const field = byId("key");
  const button = byId("sign-in-button");
  button.disabled = true;
  showKeyError("");
  try {
    await signIn(field.value.trim());
    field.value = "";
    byId("choose").focus();
  } catch (error) {
    showKeyError(whyNot(error));
    field.focus();
    field.select();
  } finally {
    button.disabled = false;
  }
}

function whyNot(error) {
  if (error.isOfKey) return "This key is not known here.";
  if (error.isBroken) return "The system does not answer. Try again in a moment.";
  return wordsOf(asProblem(error)).says;
}

// Pictures that come and go.

function take({ files, isAll }) {
  const room = Math.max(MOST_ITEMS - items.size, 0);
  const added = items.add(files.slice(0, room));
  const most = pictures(MOST_ITEMS);
  const areAll = isAll && added.length === files.length;
  showNote(areAll ? "" : `Some were left out: ${most} at a time. Clear finished ones first.`);
  uploads.add(added);
}

function retry(failed) {
  for (const item of failed) items.restart(item);
  uploads.add(failed);
}

// Whoever uses a keyboard goes on at the next picture.
function remove(item) {
  const card = cards.get(item.id);
  const neighbour = card.root.nextElementSibling ?? card.root.previousElementSibling;
  items.remove([item]);
  (neighbour?.querySelector(".remove") ?? byId("choose")).focus();
}

// What is shown of them: many changes, one look a frame.

const changed = new Set();
let isDrawing = false;

function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    for (const item of changed) cards.get(item.id)?.show();
    changed.clear();
    summary.show(items);
  });
}

items.addEventListener("added", ({ detail }) => {
  const calls = { onRetry: (item) => retry([item]), onRemove: remove };
  const added = detail.map((item) => new Card(item, calls));
  for (const card of added) cards.set(card.item.id, card);
  byId("cards").append(...added.map((card) => card.root));
  draw();
});

items.addEventListener("changed", ({ detail }) => {
  for (const item of detail) changed.add(item);
  draw();
});

items.addEventListener("removed", ({ detail }) => {
  for (const item of detail) {
    cards.get(item.id).close();
    cards.delete(item.id);
  }
  draw();
});

pace.addEventListener("change", () => {
  const reasons = {
    away: "The system does not answer. Everything goes on by itself when it is back.",
    busy: "The system is busy. Everything goes on by itself in a moment.",
  };
  const text = reasons[pace.reason] ?? "";
  byId("trouble").hidden = !text;
  // An alert that is written again is read again.
  if (byId("trouble").textContent !== text) byId("trouble").textContent = text;
});

function showNote(text) {
  byId("note").hidden = !text;
  byId("note").textContent = text;
}

// The ways in.

const hasFiles = (event) => session && event.dataTransfer?.types.includes("Files");

function choose(input) {
  input.addEventListener("change", () => {
    take(chosen(input.files));
    input.value = ""; // the same files may be chosen again
  });
  return () => input.click();
}

byId("key-form").addEventListener("submit", onKey);
byId("sign-out").addEventListener("click", () => {
  signOut();
  items.remove(items.all); // the next one who comes sees nothing of them
});
byId("choose").addEventListener("click", choose(byId("files")));
byId("choose-folder").addEventListener("click", choose(byId("folder")));
byId("retry-all").addEventListener("click", () => retry(retryable(items)));
byId("clear").addEventListener("click", () => {
  items.remove(items.all.filter((item) => item.hasEnded));
  byId("choose").focus();
});

document.addEventListener("dragover", (event) => {
  event.preventDefault(); // else the browser would leave the page for the picture
  byId("veil").hidden = !hasFiles(event);
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) byId("veil").hidden = true;
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  byId("veil").hidden = true;
  if (hasFiles(event)) take(await dropped(event.dataTransfer));
});
document.addEventListener("paste", (event) => {
  if (session && event.target.tagName !== "INPUT") take(pasted(event.clipboardData));
});
addEventListener("beforeunload", (event) => {
  if (items.all.some((item) => !item.hasEnded && !item.jobId)) event.preventDefault();
});

// The key of a page that was loaded again.

async function begin() {
  byId("most").textContent = bytes(MOST_BYTES);
  const key = kept.key();
  if (!key) return showSignedIn(false);
  try {
    await signIn(key);
  } catch (error) {
    showSignedIn(false);
    showKeyError(whyNot(error));
    if (error.isOfKey) kept.forget();
    else byId("key").value = key;
  }
}

begin();
