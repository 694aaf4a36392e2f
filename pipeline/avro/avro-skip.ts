import type avro from 'avsc';
import { AvroMismatch, type AvroCursor } from './avro-cursor.ts';

/** Moves a cursor over one value. @throws AvroMismatch */
export type Skip = (cursor: AvroCursor) => void;

/** A field of a compiled record. */
export interface AvroField {
  readonly name: string;
  readonly type: avro.Type;
}

/** Parts of avsc's compiled types that are not in its typings of the base class. */
interface Compiled {
  readonly typeName: string;
  readonly fields?: readonly AvroField[];
  readonly types?: readonly avro.Type[];
  readonly itemsType?: avro.Type;
  readonly valuesType?: avro.Type;
  readonly symbols?: readonly string[];
  readonly size?: number;
}

/** What avsc knows of a compiled type. */
export function partsOf(type: avro.Type): Compiled {
  return type;
}

/** Compiles how to get past a value of a type without looking at it. */
export function compileSkip(type: avro.Type): Skip {
  const parts = partsOf(type);
  switch (parts.typeName) {
    case 'null':
      return () => undefined;
    case 'boolean':
      return (cursor) => cursor.readBoolean();
    case 'int':
    case 'long':
    case 'abstract:long':
      return (cursor) => cursor.readLong();
    case 'float':
      return (cursor) => cursor.skip(4);
    case 'double':
      return (cursor) => cursor.skip(8);
    case 'bytes':
    case 'string':
      return (cursor) => cursor.skip(cursor.readLength());
    case 'fixed': {
      const size = parts.size ?? 0;
      return (cursor) => cursor.skip(size);
    }
    case 'enum': {
      const count = parts.symbols?.length ?? 0;
      return (cursor) => cursor.readBranch(count);
    }
    case 'record': {
      const fields = (parts.fields ?? []).map((field) => compileSkip(field.type));
      return (cursor) => {
        for (const skip of fields) skip(cursor);
      };
    }
    case 'union:wrapped':
    case 'union:unwrapped': {
      const branches = (parts.types ?? []).map(compileSkip);
      return (cursor) => branches[cursor.readBranch(branches.length)]?.(cursor);
    }
    case 'array':
      return skipItems(compileSkip(parts.itemsType as avro.Type));
    case 'map': {
      const skipValue = compileSkip(parts.valuesType as avro.Type);
      return skipItems((cursor) => {
        cursor.skip(cursor.readLength());
        skipValue(cursor);
      });
    }
    default:
      throw new AvroMismatch(`its schema has a type that is not known: ${parts.typeName}`);
  }
}

/** Every item takes a byte at least: more of them than there are bytes are a lie. */
function skipItems(skipItem: Skip): Skip {
  return (cursor) => {
    for (;;) {
      cursor.readLong();
      const count = cursor.long;
      if (count === 0) return;
      // A negative count is followed by the size of the block, for readers that want to jump.
      if (count < 0) cursor.readLong();
      const items = Math.abs(count);
      if (!(items <= cursor.bytes.length - cursor.at)) {
        throw new AvroMismatch('it claims more items than it has bytes');
      }
      for (let item = 0; item < items; item += 1) skipItem(cursor);
    }
  };
}
