package io.tributary.connect;

import io.debezium.bean.StandardBeanNames;
import io.debezium.bean.spi.BeanRegistry;
import io.debezium.bean.spi.BeanRegistryAware;
import io.debezium.relational.Column;
import io.debezium.relational.RelationalDatabaseSchema;
import io.debezium.relational.Table;
import io.debezium.relational.TableId;
import io.debezium.snapshot.spi.SnapshotQuery;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.kafka.connect.errors.ConnectException;

/**
 * Reads the rows of a snapshot with the columns of {@link ExactConverter} as text. Read as what they
 * are, a date would come in Java's calendar, without its era and with ten days of October 1582 moved.
 *
 * <p>Of a table that others inherit from it reads its own rows alone, as the stream tells them.
 */
public final class ExactSnapshotQuery implements SnapshotQuery, BeanRegistryAware {
  static final String NAME = "tributary_exact";

  private BeanRegistry beans;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public void configure(Map<String, ?> properties) {}

  @Override
  public void injectBeanRegistry(BeanRegistry beanRegistry) {
    beans = beanRegistry;
  }

  @Override
  public Optional<String> snapshotQuery(String tableId, List<String> columns) {
    if (columns.isEmpty()) {
      return Optional.empty();
    }
    Map<String, Column> byName =
        tableOf(tableId).columns().stream().collect(Collectors.toMap(column -> quoted(column.name()), column -> column));
    return Optional.of(
        columns.stream()
            .map(name -> isText(byName.get(name)) ? name + "::text AS " + name : name)
            .collect(Collectors.joining(", ", "SELECT ", " FROM " + tableId + " WHERE " + ownRows(tableId))));
  }

  /** Rows of tables that inherit are theirs and come under their names; those of partitions are the root's. */
  private static String ownRows(String tableId) {
    String relation = "'" + tableId.replace("'", "''") + "'::regclass";
    return "tableoid = " + relation + " OR (SELECT relkind = 'p' FROM pg_class WHERE oid = " + relation + ")";
  }

  private Table tableOf(String quotedId) {
    RelationalDatabaseSchema schema =
        beans.lookupByName(StandardBeanNames.DATABASE_SCHEMA, RelationalDatabaseSchema.class);
    for (TableId id : schema.tableIds()) {
      if (id.toDoubleQuotedString().equals(quotedId)) {
        return schema.tableFor(id);
      }
    }
    throw new ConnectException("the snapshot asks for a table that its schema does not have: " + quotedId);
  }

  private static boolean isText(Column column) {
    int oid = column.nativeType();
    return ExactText.isDate(oid) || ExactText.isCarried(column.jdbcType(), oid, column.length(), column.typeName());
  }

  private static String quoted(String name) {
    return '"' + name.replace("\"", "\"\"") + '"';
  }
}
