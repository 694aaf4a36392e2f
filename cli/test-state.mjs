/*
 * Where servers of tests write: into memory where there is room. They make and remove thousands of small
 * files, which a disk remembers for minutes: on ext4 without a journal each new file then takes
 * milliseconds of CPU, and how fast a test is depends on what ran before it.
 *
 * Plain Node without dependencies, as the check itself.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './bootstrap/install.mjs';

const MEMORY = '/dev/shm';
const GIB = 2 ** 30;
/** What all tests together leave, with as much again to spare. */
const ROOM_BYTES = 6 * GIB;
/** That, and what their servers need. */
const FREE_BYTES = 12 * GIB;
const ID_LENGTH = 16;
/** What somebody looks at afterwards. */
const KEPT = ['logs', 'screenshots'];

/**
 * Makes the place.
 *
 * @returns variables with which tests find it, and what removes it, but for logs and pictures: these
 * go where they are without it, to `.tributary/test`
 */
export function openTestState() {
  if (!hasRoom()) return { env: {}, close: () => undefined };
  // One per clone, so that the next run finds what a killed one left.
  const id = createHash('sha256').update(ROOT).digest('hex').slice(0, ID_LENGTH);
  const folder = join(MEMORY, `tributary-test-${id}`);
  const [state, temporary] = [join(folder, 'state'), join(folder, 'tmp')];
  rmSync(temporary, { recursive: true, force: true });
  for (const path of [state, temporary]) mkdirSync(path, { recursive: true });
  return {
    env: { TEST_STATE_DIR: state, TMPDIR: temporary },
    close() {
      keep(state, join(ROOT, '.tributary', 'test'));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function hasRoom() {
  if (!existsSync(MEMORY)) return false;
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize >= ROOM_BYTES && freemem() >= FREE_BYTES;
}

/** Copies what is kept of each place, which is one or two folders down. */
function keep(from, to) {
  const folders = (path) =>
    readdirSync(join(from, path), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(path, name));
  const places = folders('').flatMap((place) => [place, ...folders(place)]);
  for (const place of places) {
    for (const kept of KEPT.map((name) => join(place, name))) {
      rmSync(join(to, kept), { recursive: true, force: true });
      if (existsSync(join(from, kept))) {
        cpSync(join(from, kept), join(to, kept), { recursive: true });
      }
    }
  }
}
