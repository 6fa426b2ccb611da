// Why a picture failed, in a person's words: by the codes of docs/problems.md.

// `again`: sending the same file once more may help.
const REASONS = {
  // The picture.
  "damaged-image": { says: "The picture is damaged." },
  "truncated-image": { says: "The end of the picture is missing." },
  "unsupported-format": { says: "This is no picture that can be read here." },
  "empty-body": { says: "The file is empty." },
  "image-too-large": { says: "The file is too large." },
  "body-too-large": { says: "The file is too large." },
  "too-many-pixels": { says: "The picture has too many pixels." },
  "image-too-small": { says: "The picture is too small." },
  "too-costly": { says: "The picture takes too much work to decode." },
  "bad-form": { says: "The file's name cannot be sent as it is." },
  "headers-too-large": { says: "The file's name is too long." },
  "unreadable-file": { says: "The file has changed or gone since you chose it. Choose it again." },
  // The key and the job.
  "no-key": { says: "A key has letters, digits and signs alone, without spaces." },
  forbidden: { says: "Your key does not allow this." },
  "job-not-found": { says: "Another tenant's key sent this picture.", again: true },
  "job-expired": { says: "This was sent too long ago to be told.", again: true },
  // The way there.
  unreachable: { says: "The connection broke each time.", again: true },
  "request-too-slow": { says: "Sending took too long.", again: true },
  "function-too-slow": { says: "The system took too long.", again: true },
  "function-broke-off": { says: "The system broke off.", again: true },
  // The system.
  internal: { says: "The system has a fault.", again: true },
  refused: { says: "The system could not store it.", again: true },
  "insufficient-storage": { says: "The system's disk is full.", again: true },
  "invalid-image": { says: "The model could not read the picture." },
  "image-missing": { says: "The stored picture is gone.", again: true },
  "image-changed": { says: "The stored picture is not the one you sent.", again: true },
  "store-refused": { says: "The system's store refused it.", again: true },
  "malformed-event": { says: "The system lost track of it.", again: true },
  "classifier-failed": { says: "The model failed at it again and again.", again: true },
  deadly: { says: "The system broke down whenever it came to this picture.", again: true },
  unavailable: { says: "A part of the system was away for too long.", again: true },
  cancelled: { says: "It was cancelled.", again: true },
  skipped: { says: "An operator left it out.", again: true },
  "page-failed": { says: "This page has a fault.", again: true },
};

// Tell of a problem: what it is, what was found and allowed, and whether trying again may help.
export function wordsOf({ code, detail }) {
  const known = REASONS[code];
  return {
    says: known?.says ?? `It was refused: ${code.replaceAll("-", " ")}.`,
    detail: known && code === "unreachable" ? "" : detail,
    again: known ? Boolean(known.again) : true,
  };
}
