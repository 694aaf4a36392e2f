const BYTES_OF_LINE = 16;

/** Bytes as people read them: position, hexadecimal, and what is text, 16 a line. */
export function hexLines(hex: string): string {
  const bytes = hex.match(/../g) ?? [];
  const lines: string[] = [];
  for (let begin = 0; begin < bytes.length; begin += BYTES_OF_LINE) {
    const some = bytes.slice(begin, begin + BYTES_OF_LINE);
    const text = some
      .map((byte) => Number.parseInt(byte, 16))
      .map((code) => (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '·'))
      .join('');
    const position = begin.toString(16).padStart(6, '0');
    lines.push(`${position}  ${some.join(' ').padEnd(BYTES_OF_LINE * 3 - 1)}  ${text}`);
  }
  return lines.join('\n');
}
