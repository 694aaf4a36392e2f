import { TributaryError } from '#runtime/errors.ts';

/** An element of an array, as the text that Postgres prints of it; `null` is a NULL. */
export type Element = string | null;

/**
 * Reads the text that Postgres prints of an array: `{1,NULL,"a \"b\""}`.
 *
 * @param delimiter - between elements; of boxes it is a semicolon
 * @throws TributaryError `VALUE_REJECTED` for more than one dimension, or bounds other than from 1
 * @see PostgreSQL manual, "Array Input and Output Syntax"
 */
export function readArray(text: string, delimiter = ','): readonly Element[] {
  if (text.startsWith('[')) throw rejected('its elements are not numbered from 1');
  if (!text.startsWith('{') || !text.endsWith('}')) throw rejected('it is not an array');
  if (text === '{}') return [];
  const elements: Element[] = [];
  let at = 1;
  for (;;) {
    if (text[at] === '{') throw rejected('it has more than one dimension');
    const [element, end] = text[at] === '"' ? quoted(text, at) : bare(text, at, delimiter);
    elements.push(element);
    if (text[end] === delimiter) at = end + 1;
    else if (end === text.length - 1) return elements;
    else throw rejected('it is not an array');
  }
}

function bare(text: string, start: number, delimiter: string): readonly [Element, number] {
  const found = text.indexOf(delimiter, start);
  const end = found === -1 ? text.length - 1 : found;
  const element = text.slice(start, end);
  return [element === 'NULL' ? null : element, end];
}

function quoted(text: string, start: number): readonly [Element, number] {
  let element = '';
  let from = start + 1;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '"') return [element + text.slice(from, at), at + 1];
    if (char === '\\') {
      element += text.slice(from, at);
      at += 1;
      from = at;
    }
  }
  throw rejected('it is not an array');
}

function rejected(why: string): TributaryError {
  return new TributaryError('VALUE_REJECTED', `an array cannot be stored as a list: ${why}`);
}
