// The files that a person has dropped, chosen or pasted; folders are looked through.

const MOST_FILES = 5_000;
const MOST_FOLDERS = 5_000;

// Files that begin with a dot, and those that a system leaves in a folder, are nobody's pictures.
const LEFT_BY_SYSTEMS = /^(?:\.|(?:thumbs\.db|desktop\.ini)$)/i;

// Gather what was dropped: {files, isAll}. Must be called while the event is under way.
export async function dropped(transfer) {
  const parts = [...transfer.items].filter((part) => part.kind === "file");
  // Both are forgotten when the event is over.
  const found = parts.map((part) => ({ entry: part.webkitGetAsEntry?.(), file: part.getAsFile() }));
  const gathered = [];
  for (const { entry, file } of found) {
    if (entry?.isDirectory) await lookThrough(entry, gathered);
    else if (file) gathered.push(file);
  }
  return atMost(gathered);
}

// Gather what was chosen in a dialog, a whole folder or files.
export function chosen(list) {
  const isFolder = (file) => file.webkitRelativePath.includes("/");
  return atMost([...list].filter((file) => !(isFolder(file) && isLeft(file.name))));
}

// Gather what was pasted; text is none.
export function pasted(transfer) {
  return atMost([...(transfer?.files ?? [])]);
}

function atMost(files) {
  return { files: files.slice(0, MOST_FILES), isAll: files.length <= MOST_FILES };
}

async function lookThrough(top, gathered) {
  const folders = [top];
  for (let seen = 1; folders.length && seen <= MOST_FOLDERS; seen += 1) {
    const reader = folders.shift().createReader();
    for (let entries; (entries = await read(reader)).length; ) {
      if (gathered.length > MOST_FILES) return;
      for (const entry of entries.filter(({ name }) => !isLeft(name))) {
        if (entry.isDirectory) folders.push(entry);
        else gathered.push(await fileOf(entry));
      }
    }
  }
}

const isLeft = (name) => LEFT_BY_SYSTEMS.test(name);

// What cannot be read is shown all the same, and fails by its name.
const fileOf = (entry) =>
  new Promise((resolve) => entry.file(resolve, () => resolve(new File([], entry.name))));

const read = (reader) =>
  new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
