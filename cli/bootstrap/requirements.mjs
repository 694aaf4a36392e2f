/*
 * What has to be on the machine before anything of ours can run. Plain Node without dependencies.
 */
import { spawnSync } from 'node:child_process';
import { statfsSync } from 'node:fs';

const LEAST_NODE = [20, 19];
const LEAST_JAVA = 17;
/** npm packages, jars and the first data. */
const LEAST_FREE_GB = 4;

/** Something a person has to mend: one line, no stack. */
export class Missing extends Error {}

/** @throws Missing when this Node is too old */
export function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [wantedMajor, wantedMinor] = LEAST_NODE;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
  throw new Missing(
    `Node ${process.versions.node} is too old: install Node ${LEAST_NODE.join('.')} or newer.`,
  );
}

/** @throws Missing without Java >= 17 on the PATH */
export function requireJava() {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (java.error !== undefined || java.status !== 0) {
    throw new Missing(
      `Java is missing: install a JDK ${LEAST_JAVA} or newer and put java on the PATH.`,
    );
  }
  const version = /version "(\d+)(?:\.(\d+))?/.exec(java.stderr);
  // Java 8 and before called themselves 1.8.
  const major = Number(version?.[1] === '1' ? version[2] : version?.[1]);
  if (!(major >= LEAST_JAVA)) {
    throw new Missing(`Java ${major} is too old: install a JDK ${LEAST_JAVA} or newer.`);
  }
}

/** What jars are fetched and built with. @throws Missing without it on the PATH */
export function requireMaven() {
  const javac = spawnSync('javac', ['-version'], { encoding: 'utf8' });
  if (javac.error !== undefined || javac.status !== 0) {
    throw new Missing(
      'Java is there, but without its compiler: install the JDK, not only the runtime.',
    );
  }
  const maven = spawnSync('mvn', ['--version'], { encoding: 'utf8' });
  if (maven.error !== undefined || maven.status !== 0) {
    throw new Missing('Maven is missing: install it and put mvn on the PATH.');
  }
}

/** @throws Missing when the disk of `folder` is too full to install on */
export function requireDisk(folder) {
  const { bavail, bsize } = statfsSync(folder);
  const free = (bavail * bsize) / 1024 ** 3;
  if (free >= LEAST_FREE_GB) return;
  throw new Missing(
    `The disk has ${free.toFixed(1)} GB free: installing needs ${LEAST_FREE_GB} GB. Free some and try again.`,
  );
}
