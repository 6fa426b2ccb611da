// When the next request may be made: all of them wait while the system is busy or away.

import { isThere } from "./api.js";

const FIRST_WAIT_SECONDS = 1;
const LONGEST_WAIT_SECONDS = 30;
// One file that breaks each connection is the file's fault when others would get through.
const MOST_BAD_LUCK = 4;

export class Pace extends EventTarget {
  #busyUntil = 0;
  #troubles = 0;
  #absence = null;

  // What keeps everything waiting: "", "busy" or "away".
  get reason() {
    if (this.#absence) return "away";
    return Date.now() < this.#busyUntil ? "busy" : "";
  }

  // Make a request until it is answered for good.
  //
  // A system that is busy is asked again when it said so, as often as it takes. Bad luck is tried
  // again a few times, once the system is known to answer.
  async run(request, signal) {
    for (let badLuck = 1; ; badLuck += 1) {
      await this.#turn(signal);
      const began = Date.now();
      try {
        const answer = await request();
        this.#wasWell();
        return answer;
      } catch (error) {
        signal.throwIfAborted();
        if (error.isBusy) {
          this.#wasBusy(began, error.retryAfterSeconds);
          badLuck -= 1;
        } else if (!error.isUnlucky || badLuck >= MOST_BAD_LUCK) {
          throw error;
        } else if (error.isBroken) {
          await this.#untilThere(signal);
        } else {
          await pause(waitSeconds(badLuck), signal);
        }
      }
    }
  }

  async #turn(signal) {
    for (;;) {
      if (this.#absence) await this.#untilThere(signal);
      const left = this.#busyUntil - Date.now();
      if (left <= 0) return;
      await pause(left / 1000, signal);
    }
  }

  #wasWell() {
    if (!this.#troubles) return;
    this.#troubles = 0;
    this.#tell();
  }

  // Of requests that were under way together one alone makes the wait longer.
  #wasBusy(began, retryAfterSeconds) {
    if (began >= this.#busyUntil) this.#troubles += 1;
    const wait = Math.max(retryAfterSeconds, waitSeconds(this.#troubles));
    this.#busyUntil = Math.max(this.#busyUntil, Date.now() + wait * 1000);
    this.#tell();
    setTimeout(() => this.#tell(), wait * 1000 + 50);
  }

  // One alone asks whether the system is back; all others wait for that.
  async #untilThere(signal) {
    this.#absence ??= this.#ask();
    await orAborted(this.#absence, signal);
  }

  async #ask() {
    for (let times = 1; !(await isThere()); times += 1) {
      this.#tell();
      await pause(waitSeconds(times));
    }
    this.#absence = null;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

// Twice as long each time, and never all at once.
function waitSeconds(times) {
  const longest = Math.min(FIRST_WAIT_SECONDS * 2 ** (times - 1), LONGEST_WAIT_SECONDS);
  return longest * (0.5 + Math.random() / 2);
}

export function pause(seconds, signal) {
  const over = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return signal ? orAborted(over, signal) : over;
}

function orAborted(promise, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
