// All pictures together: how many have ended, and what is said aloud of them.

import { byId } from "./element.js";
import { COMPLETED, FAILED } from "./items.js";
import { pictures } from "./numbers.js";
import { wordsOf } from "./words.js";

// Whoever listens is not told of every single picture.
const SILENCE_MILLISECONDS = 4_000;

export class Summary {
  #toldAt = 0;
  #later = 0;
  #told = "";

  show(items) {
    const all = items.all;
    const count = (state) => all.filter((item) => item.state === state).length;
    const [completed, failed] = [count(COMPLETED), count(FAILED)];
    const ended = completed + failed;
    byId("summary").hidden = !all.length;
    byId("drop").classList.toggle("small", all.length > 0);
    byId("all").max = Math.max(all.length, 1);
    byId("all").value = ended;
    byId("retry-all").hidden = !retryable(items).length;
    byId("clear").hidden = !ended;
    const words = text(all.length, completed, failed);
    byId("counts").textContent = words;
    const isOver = ended === all.length;
    if (all.length) this.#say(isOver ? `All finished. ${words}` : words, isOver);
    byId("model").hidden = !completed;
    if (completed) byId("model").textContent = modelOf(all.find((item) => item.result).result);
  }

  #say(words, isOver) {
    clearTimeout(this.#later);
    const left = isOver ? 0 : this.#toldAt + SILENCE_MILLISECONDS - Date.now();
    this.#later = setTimeout(() => {
      if (this.#told === words) return;
      this.#told = words;
      this.#toldAt = Date.now();
      byId("announced").textContent = words;
    }, Math.max(left, 0));
  }
}

// The failed ones that may work when they are sent again.
export function retryable(items) {
  return items.all.filter((item) => item.state === FAILED && wordsOf(item.problem).again);
}

function text(all, completed, failed) {
  const parts = [`${completed.toLocaleString("en")} of ${pictures(all)} labelled`];
  if (failed) parts.push(`${failed.toLocaleString("en")} failed`);
  return parts.join(", ");
}

function modelOf({ model = {}, modelId }) {
  const name = `Labels by the model ${model.name ?? modelId} ${model.version ?? ""}`.trim();
  return model.demonstration ? `${name}, a demonstration that knows ten drawn shapes.` : `${name}.`;
}
