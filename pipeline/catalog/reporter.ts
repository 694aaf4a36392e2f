import { interpolate } from './interpolate.ts';

/** A place in the catalog file. */
export type Path = readonly PropertyKey[];

/** Where problems of the catalog are told, each with its place in the file. */
export interface Reporter {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly at: (place: Path, what: string, fix: string) => void;
  readonly atKey: (place: Path, key: string, what: string, fix: string) => void;
  readonly lineOf: (place: Path) => number;
}

/** Puts environment variables into a text of the catalog. */
export type Put = (text: string, place: Path, example: string) => string;

/**
 * Texts with their environment variables put in; what is wrong with them is reported.
 *
 * @param variables - gets the names of the variables
 */
export function putter(report: Reporter, variables: string[]): Put {
  return (text, place, example) => {
    const resolved = interpolate(text, report.env, example);
    variables.push(...resolved.variables);
    for (const { what, fix } of resolved.problems) report.at(place, what, fix);
    return resolved.text;
  };
}
