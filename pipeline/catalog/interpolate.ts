/** A text with its variables put in, or why that could not be done. */
export interface Interpolated {
  readonly text: string;
  /** Names of the variables that it refers to. */
  readonly variables: readonly string[];
  readonly problems: readonly { readonly what: string; readonly fix: string }[];
}

/**
 * Puts environment variables in the place of `${NAME}`. An empty variable counts as not set. What
 * is put in is not looked at again, so a value may hold `${`.
 *
 * @param example - of a value, for messages
 */
export function interpolate(
  template: string,
  env: Readonly<Record<string, string | undefined>>,
  example: string,
): Interpolated {
  const problems: { what: string; fix: string }[] = [];
  const variables: string[] = [];
  const text = template.replace(/\$\{([^}]*)(\}?)/g, (_, name: string, closed: string) => {
    if (closed === '' || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
      problems.push({
        what: 'a variable is not written as ${NAME}',
        fix: 'Write ${NAME} with letters, digits and underscores; a plain $ needs no braces.',
      });
      return '';
    }
    variables.push(name);
    const value = env[name];
    if (value === undefined || value === '') {
      problems.push({
        what: `the environment variable ${name} is not set`,
        fix: `Set it: export ${name}=${example}`,
      });
      return '';
    }
    return value;
  });
  return { text, variables, problems };
}
