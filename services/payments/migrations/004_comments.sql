-- What tables and columns mean, for whoever reads them here or in the warehouse, which takes these over.

COMMENT ON TABLE payments IS 'Charges of orders, failed ones among them: one row each';
COMMENT ON COLUMN payments.id IS 'Payment; orders refers to it';
COMMENT ON COLUMN payments.order_id IS 'Order, as in orders';
COMMENT ON COLUMN payments.user_id IS 'User who pays, as in users';
COMMENT ON COLUMN payments.amount IS 'What is to be paid, in currency';
COMMENT ON COLUMN payments.refunded_amount IS 'What went back of it, in currency';
COMMENT ON COLUMN payments.currency IS 'ISO 4217 code of all amounts of the row';
COMMENT ON COLUMN payments.method IS 'card, bank_transfer, wallet or voucher';
COMMENT ON COLUMN payments.status IS 'authorized, captured, failed, partially_refunded or refunded';
COMMENT ON COLUMN payments.provider_ref IS 'Number that the payment provider gave; NULL when it gave none';
COMMENT ON COLUMN payments.failure_reason IS 'Why it failed; NULL when it did not';
COMMENT ON COLUMN payments.details IS 'What else the provider told, as JSON';
COMMENT ON COLUMN payments.captured_at IS 'When the money was taken; NULL before';
COMMENT ON COLUMN payments.version IS 'Counts the writes of the row';
COMMENT ON COLUMN payments.created_at IS 'When the row was made';
COMMENT ON COLUMN payments.updated_at IS 'When the row was last written';

COMMENT ON TABLE refunds IS 'Money that went back: one row each';
COMMENT ON COLUMN refunds.id IS 'Refund';
COMMENT ON COLUMN refunds.payment_id IS 'Payment that it is of';
COMMENT ON COLUMN refunds.amount IS 'What went back, in the currency of the payment';
COMMENT ON COLUMN refunds.reason IS 'Why; NULL when nobody said';
COMMENT ON COLUMN refunds.created_at IS 'When it went back';

COMMENT ON TABLE voided_orders IS 'Orders that must not be charged any more, whatever arrives late';
COMMENT ON COLUMN voided_orders.order_id IS 'Order, as in orders';
COMMENT ON COLUMN voided_orders.voided_at IS 'When it was given up';
