// How often a key may ask: a bucket of tokens for each, that every worker and gateway takes from.
//
// A bucket is a file. Its length is the number of the last token that was taken, or that is lost as
// the bucket was full, of those that come while an hour lasts. A byte is appended for each token
// taken, and a byte is written further on where tokens are lost: the kernel does either as one, so
// nothing is locked, and no token is taken twice. Each hour has a folder. In a small bucket tokens
// are small, too, and a request takes several: they come on the clock's beat, not on the request's.

const fs = require('fs');

const WRITTEN = /^([0-9]+)\/([smh]) ([0-9]+) ([0-9a-f]{64})$/;
const MILLISECONDS = { s: 1000, m: 60000, h: 3600000 };
// pipeline/rates.py sees to it that an empty bucket is full again within one.
const PERIOD = 3600000;
// So many may take one at the same time; more tokens than have come are taken by a clock set back.
const MOST_AT_ONCE = 256;
// So exact is the burst: a twentieth. And so many bytes a second are kept of a key at most.
const PARTS = 20;
const MOST_BYTES_A_SECOND = 10000;
const NO_ERROR = { throwIfNoEntry: false };

// Take a token; "over" if there is none. What answers say of it is left in $rate_….
function over(r) {
    // Whoever the key is, is looked up first: it leaves its limit behind.
    const told = r.variables.key_record[0] != '!' && WRITTEN.exec(r.variables.key_limit);
    if (!told) {
        return '';
    }
    const unit = MILLISECONDS[told[2]];
    const size = Math.max(1, Math.min(
        Math.ceil(PARTS / told[3]), Math.floor((MOST_BYTES_A_SECOND * unit) / 1000 / told[1]),
    ));
    const bucket = {
        size: size,
        tokens: size * told[1],
        unit: unit,
        burst: size * told[3],
        name: `${told[4]}-${told[1]}-${told[2]}-${told[3]}`,
        folder: `${r.variables.keys_used_dir}/rates`,
    };
    const now = Date.now();
    let left;
    try {
        left = take(bucket, now);
    } catch (error) {
        // The disk is full, say: whoever has a key gets an answer all the same.
        r.error(`requests of the key ${r.variables.key_id} cannot be counted: ${error.message}`);
        return '';
    }
    say(r, bucket, left, now);
    return left < 0 ? 'over' : '';
}

// How many tokens are left; below 0 if there were too few, by how many.
function take(bucket, now) {
    const period = Math.floor(now / PERIOD);
    const since = now - period * PERIOD;
    const path = `${bucket.folder}/${period}/${bucket.name}`;
    const come = Math.floor((since * bucket.tokens) / bucket.unit) + bucket.burst;
    const lost = Math.max(come - bucket.burst, carried(bucket, period, since));
    let taken = length(path);
    if (taken < 0) {
        open(bucket.folder, period);
        fs.appendFileSync(path, '', { mode: 0o600 });
        taken = 0;
    } else if (taken > come + MOST_AT_ONCE * bucket.size) {
        fs.writeFileSync(path, '');
        taken = 0;
    }
    if (taken < lost) {
        const file = fs.openSync(path, 'r+');
        fs.writeSync(file, ' ', lost - 1);
        fs.closeSync(file);
        taken = lost;
    }
    const left = come - taken - bucket.size;
    return left < 0 ? left : come - append(path, taken, bucket.size);
}

// Append as many bytes; where they ended, as others append, too.
function append(path, before, size) {
    const mark = 33 + Math.floor(Math.random() * 94);
    const seen = Buffer.alloc(MOST_AT_ONCE * size);
    const file = fs.openSync(path, 'a+');
    fs.writeSync(file, String.fromCharCode(mark).repeat(size));
    const count = fs.readSync(file, seen, 0, seen.length, before);
    fs.closeSync(file);
    for (let at = count - 1; at >= 0; at--) {
        if (seen[at] == mark) {
            return before + at + 1;
        }
    }
    return length(path);
}

// What the hour before has taken of this one's first tokens.
function carried(bucket, period, since) {
    if (since * bucket.tokens > bucket.burst * bucket.unit) {
        return 0;
    }
    const before = length(`${bucket.folder}/${period - 1}/${bucket.name}`);
    return before - (PERIOD / bucket.unit) * bucket.tokens;
}

function length(path) {
    const found = fs.statSync(path, NO_ERROR);
    return found ? found.size : -1;
}

// Have the folder of an hour; whoever makes it removes those of hours that are over.
function open(folder, period) {
    if (fs.statSync(`${folder}/${period}`, NO_ERROR)) {
        return;
    }
    try {
        fs.mkdirSync(`${folder}/${period}`, { recursive: true, mode: 0o700 });
        fs.readdirSync(folder)
            .filter((name) => Number(name) < period - 1)
            .forEach((name) => fs.rmdirSync(`${folder}/${name}`, { recursive: true }));
    } catch (error) {
        // Another worker does the same at this moment; if not, the file cannot be made either.
    }
}

// As draft-ietf-httpapi-ratelimit-headers has it, like functions/image-upload/quota_answers.py: the
// quota is what the bucket holds, its window the time in which it fills.
function say(r, bucket, left, now) {
    const seconds = (tokens) => Math.ceil((tokens * bucket.unit) / bucket.tokens / 1000);
    const level = left < 0 ? Math.max(0, left + bucket.size) : left;
    const requests = left < 0 ? 0 : Math.floor(left / bucket.size);
    const most = bucket.burst / bucket.size;
    r.variables.rate_policy = `"requests";q=${most};w=${seconds(bucket.burst)}`;
    r.variables.rate_left = `"requests";r=${requests};t=${seconds(bucket.burst - level)}`;
    if (left < 0) {
        r.variables.rate_wait = String(wait(bucket, left, now));
    }
}

// Whole seconds, after which there is enough for the next request.
function wait(bucket, left, now) {
    const since = now % PERIOD;
    const come = Math.floor((since * bucket.tokens) / bucket.unit);
    const until = Math.ceil(((come - left) * bucket.unit) / bucket.tokens);
    return Math.max(1, Math.ceil((until - since) / 1000));
}

export default { over };
