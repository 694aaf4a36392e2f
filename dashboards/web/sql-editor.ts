import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  type Completion,
  type CompletionSource,
} from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { sql, SQLDialect, type SQLNamespace } from '@codemirror/lang-sql';
import {
  bracketMatching,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from '@codemirror/language';
import { lintGutter, setDiagnostics } from '@codemirror/lint';
import { Compartment, EditorState, Prec } from '@codemirror/state';
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder,
} from '@codemirror/view';
import { tags } from '@lezer/highlight';
import type { Schema, SqlError } from '../wire.ts';

/** Words of ClickHouse beyond those of plain SQL. */
const KEYWORDS =
  'select from where prewhere group by order having limit offset with as distinct join inner left right full outer cross any all asof semi anti on using union except intersect array final sample settings format explain describe show tables databases create exists in not and or is null between like ilike case when then else end interval asc desc nulls first last fill step to totals rollup cube window over partition rows range unbounded preceding following current row qualify interpolate true false cast global plan pipeline syntax ast estimate limit by';
const TYPES =
  'int8 int16 int32 int64 int128 int256 uint8 uint16 uint32 uint64 uint128 uint256 float32 float64 decimal string fixedstring date date32 datetime datetime64 uuid bool array map tuple nullable lowcardinality enum8 enum16 json ipv4 ipv6';

const CLICKHOUSE = SQLDialect.define({
  keywords: KEYWORDS,
  types: TYPES,
  identifierQuotes: '`"',
  backslashEscapes: true,
  hashComments: false,
  slashComments: false,
  caseInsensitiveIdentifiers: false,
});

const HIGHLIGHT = HighlightStyle.define([
  { tag: tags.keyword, color: 'var(--code-keyword)', fontWeight: '600' },
  { tag: [tags.typeName, tags.standard(tags.name)], color: 'var(--code-type)' },
  { tag: tags.string, color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
  { tag: [tags.lineComment, tags.blockComment], color: 'var(--muted)', fontStyle: 'italic' },
]);

const LOOK = EditorView.theme({
  '&': {
    fontSize: '13px',
    height: '100%',
    backgroundColor: 'var(--surface)',
    color: 'var(--text)',
  },
  '&.cm-focused': { outline: '2px solid var(--accent)', outlineOffset: '-1px' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-content': { caretColor: 'var(--text)', padding: '10px 0' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--surface)', color: 'var(--muted)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--accent) 7%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
    { backgroundColor: 'color-mix(in srgb, var(--accent) 26%, transparent)' },
  '.cm-tooltip': {
    backgroundColor: 'var(--surface)',
    color: 'var(--text)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
  },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent)',
    color: 'var(--on-accent)',
  },
  '.cm-diagnostic': { fontFamily: 'inherit' },
  '.cm-placeholder': { color: 'var(--muted)' },
});

/**
 * Text that is typed over a selection goes past the browser: Chromium would keep the look of what
 * was there by a style in the element, which the policy of the page refuses with an error.
 */
const TYPE_OVER = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { from, to, empty } = view.state.selection.main;
    const text = event.data;
    if (event.inputType !== 'insertText' || text === null || empty) return false;
    event.preventDefault();
    const insert = () =>
      view.state.update(view.state.replaceSelection(text), {
        userEvent: 'input.type',
        scrollIntoView: true,
      });
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert());
    return true;
  },
});

/** The editor of the SQL page. */
export interface SqlEditor {
  text(): string;
  setText(text: string): void;
  /** Puts text where the cursor is. */
  insert(text: string): void;
  /** Completes from what the warehouse has. */
  setSchema(schema: Schema): void;
  /** Marks where a statement is wrong; undefined takes the mark away. */
  mark(error: SqlError | undefined): void;
  focus(): void;
}

/** Makes the editor. */
export function createEditor(
  parent: HTMLElement,
  options: { text: string; nonce: string; onRun: () => void; onChange: () => void },
): SqlEditor {
  const language = new Compartment();
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: options.text,
      extensions: [
        EditorView.cspNonce.of(options.nonce),
        Prec.highest(keymap.of([{ key: 'Mod-Enter', run: () => (options.onRun(), true) }])),
        lineNumbers(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion(),
        highlightActiveLine(),
        lintGutter(),
        placeholder('SELECT … — Ctrl+Enter runs it, Ctrl+Space completes'),
        keymap.of([
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...defaultKeymap,
          ...historyKeymap,
        ]),
        syntaxHighlighting(HIGHLIGHT),
        LOOK,
        EditorView.lineWrapping,
        TYPE_OVER,
        EditorView.contentAttributes.of({ 'aria-label': 'SQL', spellcheck: 'false' }),
        EditorView.updateListener.of(({ docChanged }) => {
          if (docChanged) options.onChange();
        }),
        language.of(sql({ dialect: CLICKHOUSE, upperCaseKeywords: true })),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    setText: (text) =>
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    insert: (text) => {
      view.dispatch(view.state.replaceSelection(text));
      view.focus();
    },
    setSchema: (schema) => {
      const support = sql({
        dialect: CLICKHOUSE,
        upperCaseKeywords: true,
        schema: namespaceOf(schema),
      });
      const functions = support.language.data.of({
        autocomplete: completeFunctions(schema.functions),
      });
      view.dispatch({ effects: language.reconfigure([support, functions]) });
    },
    mark: (error) => {
      const place = error === undefined ? undefined : placeOf(error, view.state);
      view.dispatch(
        setDiagnostics(
          view.state,
          error === undefined || place === undefined
            ? []
            : [{ ...place, severity: 'error', message: error.message }],
        ),
      );
    },
    focus: () => view.focus(),
  };
}

function namespaceOf({ tables }: Schema): SQLNamespace {
  const databases: Record<string, Record<string, Completion[]>> = {};
  for (const { database, name, columns } of tables) {
    const own = (databases[database] ??= {});
    own[name] = columns.map((column) => ({
      label: column.name,
      type: 'property',
      detail: column.type,
      ...(column.comment === '' ? {} : { info: column.comment }),
    }));
  }
  return databases;
}

function completeFunctions(names: readonly string[]): CompletionSource {
  const completions = names.map((label): Completion => ({ label, type: 'function', boost: -50 }));
  return (context) => {
    const word = context.matchBefore(/[A-Za-z_]\w{1,}/);
    // After a dot stands a column.
    if (word === null || context.state.sliceDoc(word.from - 1, word.from) === '.') return null;
    return { from: word.from, options: completions, validFor: /^\w*$/ };
  };
}

/** Where an error is: the place that ClickHouse names, else the name that it quotes. */
function placeOf(
  { line, column, message }: SqlError,
  state: EditorState,
): { from: number; to: number } | undefined {
  if (line !== undefined && column !== undefined && line <= state.doc.lines) {
    const start = state.doc.line(line);
    const from = Math.min(start.from + column - 1, start.to);
    return { from, to: state.wordAt(from)?.to ?? Math.min(from + 1, state.doc.length) };
  }
  const quoted = /[`'"]([^`'"]+)[`'"]/.exec(message)?.[1];
  const at = quoted === undefined ? -1 : state.doc.toString().indexOf(quoted);
  return at === -1 || quoted === undefined ? undefined : { from: at, to: at + quoted.length };
}
