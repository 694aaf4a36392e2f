package io.tributary.connect;

import io.debezium.connector.postgresql.UnchangedToastedReplicationMessageColumn;
import io.debezium.connector.postgresql.connection.DateTimeFormat;
import io.debezium.spi.converter.CustomConverter;
import io.debezium.spi.converter.RelationalColumn;
import io.debezium.time.Date;
import java.time.LocalDate;
import java.util.Properties;
import java.util.function.Function;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.errors.ConnectException;
import org.postgresql.core.Oid;
import org.postgresql.jdbc.PgArray;

/**
 * Carries what Debezium would lose: arrays, strings of bits and vectors as the text that Postgres
 * prints, dates with their era.
 *
 * <p>Of arrays Debezium loses types (time, interval, bit, xml …), NULLs (of enums), dimensions and
 * bounds, and it stops at NaN and at many an array that is stored out of line and that an update left
 * alone: it has no value that says so. A text has: the placeholder.
 *
 * <p>{@link ExactSnapshotQuery} has the snapshot read the same columns as text.
 */
public final class ExactConverter implements CustomConverter<SchemaBuilder, RelationalColumn> {
  /** See pipeline/transform/array-type.ts. */
  private static final String ARRAY = "io.tributary.data.Array";

  private String placeholder;

  @Override
  public void configure(Properties properties) {
    placeholder = properties.getProperty("placeholder");
    if (placeholder == null) {
      throw new ConnectException("the setting `placeholder` is missing: what stands for an unchanged value");
    }
  }

  @Override
  public void converterFor(RelationalColumn column, ConverterRegistration<SchemaBuilder> registration) {
    int oid = column.nativeType();
    if (ExactText.isDate(oid)) {
      registration.register(Date.builder(), converter(column, 0, ExactConverter::epochDay));
    } else if (ExactText.isCarried(column.jdbcType(), oid, column.length().orElse(1), column.typeName())) {
      registration.register(schemaOf(column), converter(column, "", value -> text(value, oid)));
    }
  }

  private static SchemaBuilder schemaOf(RelationalColumn column) {
    SchemaBuilder schema = SchemaBuilder.string();
    if (ExactText.isArray(column.jdbcType())) {
      schema.name(ARRAY);
      String element = ExactText.elementOf(column.nativeType());
      if (element != null) {
        schema.parameter("element", element);
      }
      if (column.nativeType() == Oid.BOX_ARRAY) {
        // The one type whose texts have commas and no quotes around them.
        schema.parameter("delimiter", ";");
      }
    }
    return schema;
  }

  /**
   * @param missing what stands in a NOT NULL column of a row that was deleted, of which only the key is
   *     told, and for the default of a column, which nobody reads and which comes in an encoding of its own
   */
  private static Converter converter(RelationalColumn column, Object missing, Function<Object, Object> convert) {
    Object columnDefault = column.defaultValue();
    boolean optional = column.isOptional();
    return value -> {
      if (value == null) {
        return optional ? null : missing;
      }
      return value == columnDefault ? missing : convert.apply(value);
    };
  }

  private static Object epochDay(Object value) {
    LocalDate date;
    if (value instanceof LocalDate) {
      date = (LocalDate) value;
    } else if (value instanceof String) {
      date = DateTimeFormat.get().date((String) value);
    } else {
      throw unexpected(value);
    }
    return (int) date.toEpochDay();
  }

  private String text(Object value, int oid) {
    if (UnchangedToastedReplicationMessageColumn.isUnchangedToastedValue(value)) {
      return placeholder;
    }
    if (!(value instanceof String || value instanceof PgArray)) {
      throw unexpected(value);
    }
    String text = value.toString();
    return oid == Oid.TIMESTAMPTZ_ARRAY ? ExactText.inUtc(text) : text;
  }

  private static ConnectException unexpected(Object value) {
    return new ConnectException(
        "a value came as " + value.getClass().getName() + ": set snapshot.query.mode=custom and "
            + "snapshot.query.mode.custom.name=" + ExactSnapshotQuery.NAME);
  }
}
