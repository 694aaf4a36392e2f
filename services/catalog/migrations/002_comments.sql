-- What tables and columns mean, for whoever reads them here or in the warehouse, which takes these over.

COMMENT ON TABLE categories IS 'Categories of products, as a tree';
COMMENT ON COLUMN categories.id IS 'Category';
COMMENT ON COLUMN categories.slug IS 'Its name in addresses';
COMMENT ON COLUMN categories.name IS 'Its name for people';
COMMENT ON COLUMN categories.parent_id IS 'Category that it belongs to; NULL at the top';
COMMENT ON COLUMN categories.created_at IS 'When the row was made';
COMMENT ON COLUMN categories.updated_at IS 'When the row was last written';

COMMENT ON TABLE products IS 'What the shop sells: one row a product';
COMMENT ON COLUMN products.id IS 'Product; other services refer to it';
COMMENT ON COLUMN products.sku IS 'Article number';
COMMENT ON COLUMN products.name IS 'Name for people';
COMMENT ON COLUMN products.description IS 'Text for people; NULL when there is none';
COMMENT ON COLUMN products.category_id IS 'Category; NULL when it is in none';
COMMENT ON COLUMN products.price IS 'Price of a piece, in currency';
COMMENT ON COLUMN products.currency IS 'ISO 4217 code of price';
COMMENT ON COLUMN products.status IS 'draft, published or retired';
COMMENT ON COLUMN products.barcode IS 'Number below the bar code; NULL when it has none';
COMMENT ON COLUMN products.weight_grams IS 'Weight of a piece, grams; NULL when it was not weighed';
COMMENT ON COLUMN products.sizes IS 'Sizes that there are, in the measure of the product';
COMMENT ON COLUMN products.tags IS 'Labels to search by';
COMMENT ON COLUMN products.attributes IS 'What else is said of it, as JSON';
COMMENT ON COLUMN products.available_from IS 'Day from which it is sold; NULL: from its publication';
COMMENT ON COLUMN products.published_at IS 'When it was first published; NULL before';
COMMENT ON COLUMN products.version IS 'Counts the writes of the row';
COMMENT ON COLUMN products.created_at IS 'When the row was made';
COMMENT ON COLUMN products.updated_at IS 'When the row was last written';

COMMENT ON TABLE price_changes IS 'Changes of prices, one row each';
COMMENT ON COLUMN price_changes.id IS 'Change, in order';
COMMENT ON COLUMN price_changes.product_id IS 'Product';
COMMENT ON COLUMN price_changes.old_price IS 'Price of a piece before, in the currency of the product';
COMMENT ON COLUMN price_changes.new_price IS 'Price of a piece after, in the currency of the product';
COMMENT ON COLUMN price_changes.changed_at IS 'When it was changed';
