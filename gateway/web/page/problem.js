// What may go wrong, whoever says it: an answer of the system, or none.

const PREFIX = "urn:image-pipeline:problem:";
// Later it may be taken: the file has nothing to do with it.
const BUSY = new Set([429, 503]);
// It may have been bad luck.
const UNLUCKY = new Set([408, 502, 504]);
const LONGEST_WAIT_SECONDS = 300;

export class Problem extends Error {
  constructor(code, { status = 0, detail = "", traceId = "", retryAfterSeconds = 0 } = {}) {
    super(detail || code);
    Object.assign(this, { code, status, detail, traceId, retryAfterSeconds });
  }

  get isBusy() {
    return BUSY.has(this.status);
  }

  get isUnlucky() {
    return UNLUCKY.has(this.status) || this.isBroken;
  }

  // Nobody answered.
  get isBroken() {
    return this.code === "unreachable";
  }

  get isOfKey() {
    return this.status === 401;
  }
}

// Read an answer that is none of success; what is no problem of ours is told by its status.
export function problemOf(status, text, retryAfter) {
  let said = {};
  try {
    said = JSON.parse(text) ?? {};
  } catch {
    // Somebody between us and the system answered.
  }
  const code = String(said.type ?? "").startsWith(PREFIX) ? said.type.slice(PREFIX.length) : "";
  return new Problem(code || `status-${status}`, {
    status,
    detail: String(said.detail ?? ""),
    traceId: String(said.traceId ?? ""),
    retryAfterSeconds: secondsOf(retryAfter),
  });
}

export function unreachable() {
  return new Problem("unreachable");
}

// What is thrown and is no problem is a fault of this page; its text helps whoever mends it.
export function asProblem(error) {
  return error instanceof Problem ? error : new Problem("page-failed", { detail: String(error) });
}

function secondsOf(retryAfter) {
  if (!retryAfter) return 0;
  const told = /^\d+$/.test(retryAfter)
    ? Number(retryAfter)
    : (Date.parse(retryAfter) - Date.now()) / 1000;
  return Math.min(Math.max(told || 0, 0), LONGEST_WAIT_SECONDS);
}
