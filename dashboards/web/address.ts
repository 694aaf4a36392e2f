/** Spans that end now, as people choose them. */
export const SPANS = ['5m', '15m', '1h', '6h', '24h', '7d', '30d', '90d'] as const;

/** What a dashboard shows, as the address of the page has it: a link shows the same. */
export interface View {
  /** A span that ends now; empty when the time is fixed. */
  readonly range: string;
  /** ISO 8601, when the time is fixed. */
  readonly from: string;
  readonly to: string;
  /** Filters by name; empty means all. */
  readonly variables: Readonly<Record<string, string>>;
}

/** Reads the view from an address. */
export function readView(
  search: string,
  about: { range: string; variables: readonly { name: string; default: string }[] },
): View {
  const query = new URLSearchParams(search);
  const [from, to] = [query.get('from') ?? '', query.get('to') ?? ''];
  const isFixed = from !== '' && to !== '';
  return {
    range: isFixed ? '' : (query.get('range') ?? about.range),
    from: isFixed ? from : '',
    to: isFixed ? to : '',
    variables: Object.fromEntries(
      about.variables.map(({ name, default: normal }) => [name, query.get(name) ?? normal]),
    ),
  };
}

/** The part of an address after `?` that shows a view. */
export function viewQuery({ range, from, to, variables }: View): string {
  const query = new URLSearchParams(range === '' ? { from, to } : { range });
  for (const [name, value] of Object.entries(variables)) if (value !== '') query.set(name, value);
  return query.toString();
}
