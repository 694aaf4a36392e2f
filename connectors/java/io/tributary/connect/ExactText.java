package io.tributary.connect;

import java.sql.Types;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoField;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.postgresql.core.Oid;

/** Which columns are carried as the text that Postgres prints, because Debezium would lose some of their values. */
final class ExactText {
  /** Types of pgvector, whose numbers are set in the text; Debezium makes them doubles. */
  private static final Set<String> VECTORS = Set.of("vector", "halfvec", "sparsevec");

  /** Elements of arrays that the pipeline reads out of the text; all others stay the text they are. */
  private static final Map<Integer, String> ELEMENTS =
      Map.ofEntries(
          Map.entry(Oid.BOOL_ARRAY, "bool"),
          Map.entry(Oid.INT2_ARRAY, "int2"),
          Map.entry(Oid.INT4_ARRAY, "int4"),
          Map.entry(Oid.INT8_ARRAY, "int8"),
          Map.entry(Oid.OID_ARRAY, "oid"),
          Map.entry(Oid.FLOAT4_ARRAY, "float4"),
          Map.entry(Oid.FLOAT8_ARRAY, "float8"),
          Map.entry(Oid.DATE_ARRAY, "date"),
          Map.entry(Oid.TIMESTAMP_ARRAY, "timestamp"),
          Map.entry(Oid.TIMESTAMPTZ_ARRAY, "timestamptz"),
          Map.entry(Oid.UUID_ARRAY, "uuid"));

  private static final Pattern ZONED =
      Pattern.compile("(\\d{4,})(-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d(?:\\.\\d+)?)([+-]\\d\\d(?::\\d\\d){0,2})( BC)?");
  private static final DateTimeFormatter CLOCK = DateTimeFormatter.ofPattern("-MM-dd HH:mm:ss");

  private ExactText() {}

  static boolean isArray(int jdbcType) {
    return jdbcType == Types.ARRAY;
  }

  /** A date, whose era and whose days of October 1582 are lost when Java reads it. */
  static boolean isDate(int oid) {
    return oid == Oid.DATE;
  }

  static boolean isCarried(int jdbcType, int oid, int length, String typeName) {
    // A single bit is a boolean, which Debezium carries well.
    return isArray(jdbcType)
        || oid == Oid.VARBIT
        || (oid == Oid.BIT && length > 1)
        || VECTORS.contains(plainName(typeName));
  }

  /** Name of an array's element type; null where the pipeline keeps elements as their text. */
  static String elementOf(int arrayOid) {
    return ELEMENTS.get(arrayOid);
  }

  /** The text with its instants in UTC: Postgres prints them in the time zone of the worker. */
  static String inUtc(String text) {
    return ZONED.matcher(text).replaceAll(ExactText::inUtc);
  }

  private static String inUtc(MatchResult found) {
    if (found.group(3).equals("+00")) {
      return Matcher.quoteReplacement(found.group());
    }
    int printed = Integer.parseInt(found.group(1));
    int year = found.group(4) == null ? printed : 1 - printed;
    // Parsed in 2000, which has every day there is.
    LocalDateTime wall =
        LocalDateTime.parse("2000" + found.group(2).replace(' ', 'T'))
            .with(ChronoField.YEAR, year)
            .minusSeconds(ZoneOffset.of(found.group(3)).getTotalSeconds());
    int fraction = found.group(2).indexOf('.');
    return String.format("%04d", wall.getYear() > 0 ? wall.getYear() : 1 - wall.getYear())
        + CLOCK.format(wall)
        + (fraction < 0 ? "" : found.group(2).substring(fraction))
        + "+00"
        + (wall.getYear() > 0 ? "" : " BC");
  }

  private static String plainName(String typeName) {
    return typeName.substring(typeName.lastIndexOf('.') + 1).replace("\"", "");
  }
}
