// One picture: how it looks, its state, its labels, or why it failed.

import { element } from "./element.js";
import { COMPLETED, FAILED, PENDING, SENDING, WAITING } from "./items.js";
import { bytes, percent } from "./numbers.js";
import { wordsOf } from "./words.js";

const MOST_LABELS = 3;
const STATES = {
  [WAITING]: "Waiting",
  [SENDING]: "Sending",
  [PENDING]: "Being labelled",
  [COMPLETED]: "Done",
  [FAILED]: "Failed",
};

export class Card {
  // The card of an item; its buttons call `onRetry` and `onRemove`.
  constructor(item, { onRetry, onRemove }) {
    this.item = item;
    this.address = URL.createObjectURL(item.file);
    this.state = element("span", { className: "state" });
    this.details = element("div", { className: "details" });
    this.progress = null;
    this.retry = element("button", {
      type: "button",
      textContent: "Try again",
      "aria-label": `Try ${item.name} again`,
      onclick: () => onRetry(item),
    });
    this.remove = element("button", {
      type: "button",
      className: "quiet remove",
      textContent: "Remove",
      "aria-label": `Remove ${item.name}`,
      onclick: () => onRemove(item),
    });
    this.root = element(
      "li",
      { className: "card", id: item.id },
      this.#picture(),
      element(
        "div",
        { className: "about" },
        element("p", { className: "name", title: item.name }, element("bdi", {}, item.name)),
        element("p", { className: "facts" }, this.state, ` ${bytes(item.file.size)}`),
        this.details,
        element("div", { className: "choices" }, this.retry, this.remove),
      ),
    );
    this.show();
  }

  // Show what has changed.
  show() {
    const { item } = this;
    this.root.dataset.state = item.state;
    this.state.textContent = STATES[item.state];
    this.retry.hidden = item.state !== FAILED || !wordsOf(item.problem).again;
    if (item.state === SENDING) this.#showSending();
    else this.#put(...this.#contents());
  }

  // Give the picture back to the browser's memory.
  close() {
    URL.revokeObjectURL(this.address);
    this.root.remove();
  }

  #picture() {
    const image = element("img", {
      src: this.address, alt: "", loading: "lazy", decoding: "async",
    });
    const frame = element("div", { className: "frame" }, image);
    image.onerror = () => {
      image.remove();
      frame.classList.add("empty");
    };
    return frame;
  }

  #showSending() {
    const { sentBytes, allBytes, name } = this.item;
    if (!this.progress) {
      this.progress = element("progress", { "aria-label": `Sent of ${name}` });
      this.sent = element("p", { className: "hint" });
      this.details.replaceChildren(this.progress, this.sent);
    }
    this.progress.max = allBytes || 1;
    this.progress.value = sentBytes;
    this.sent.textContent = `${bytes(sentBytes)} of ${bytes(allBytes)} sent`;
  }

  #put(...contents) {
    this.progress = null;
    this.details.replaceChildren(...contents);
  }

  #contents() {
    const { item } = this;
    const name = element("bdi", {}, item.sameAs);
    const line = element("p", { className: "same" }, "The same picture as ", name);
    const same = item.sameAs ? [line] : [];
    if (item.state === COMPLETED) return [labels(item.result), ...same];
    if (item.state === FAILED) return [reason(item.problem), ...same];
    return same;
  }
}

function labels({ labels: found = [] }) {
  const rows = found.slice(0, MOST_LABELS).map(({ label, score }) => {
    const bar = element("span", { className: "bar-of-label" });
    // The browser's own rule for styles lets a script set a property, and no markup.
    bar.style.inlineSize = `${100 * score}%`;
    return element(
      "li",
      {},
      element("span", { className: "label" }, label),
      element("span", { className: "score" }, percent(score)),
      element("span", { className: "track", "aria-hidden": "true" }, bar),
    );
  });
  return element("ol", { className: "labels", role: "list", "aria-label": "Labels" }, ...rows);
}

function reason(problem) {
  const { says, detail } = wordsOf(problem);
  const lines = [element("p", { className: "says" }, says)];
  if (detail) lines.push(element("p", { className: "hint" }, detail));
  if (problem.traceId) {
    const trace = element("code", {}, problem.traceId);
    lines.push(element("p", { className: "hint trace" }, "Trace ", trace));
  }
  return element("div", { className: "reason" }, ...lines);
}
