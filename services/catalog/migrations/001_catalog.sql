CREATE TYPE product_status AS ENUM ('draft', 'published', 'retired');

CREATE TABLE categories (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug text NOT NULL CONSTRAINT categories_slug_key UNIQUE,
  name text NOT NULL,
  parent_id integer REFERENCES categories (id),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE products (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  sku text NOT NULL CONSTRAINT products_sku_key UNIQUE,
  name text NOT NULL,
  description text,
  category_id integer CONSTRAINT products_category_fkey REFERENCES categories (id),
  price numeric(12, 2) NOT NULL CHECK (price > 0),
  currency char(3) NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  status product_status NOT NULL DEFAULT 'draft',
  -- GTIN, up to 14 digits; a supplier's own codes can be longer.
  barcode bigint,
  weight_grams integer CHECK (weight_grams > 0),
  sizes integer[] NOT NULL DEFAULT '{}',
  tags text[] NOT NULL DEFAULT '{}',
  attributes jsonb NOT NULL DEFAULT '{}',
  available_from date,
  published_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX products_newest_first ON products (created_at DESC, id DESC);

CREATE TABLE price_changes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  product_id uuid NOT NULL REFERENCES products (id),
  old_price numeric(12, 2) NOT NULL,
  new_price numeric(12, 2) NOT NULL,
  changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX price_changes_of_product ON price_changes (product_id, id DESC);
