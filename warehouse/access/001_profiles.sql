-- Bounds that nobody can lift: those of the embedded warehouse (warehouse/embedded/limits.ts).

CREATE SETTINGS PROFILE IF NOT EXISTS tributary_reader SETTINGS
    readonly = 2 CONST,
    max_execution_time = 30 MIN 1 MAX 60,
    max_memory_usage = 629145600 MIN 1 MAX 629145600,
    max_result_rows = 1000000 MIN 1 MAX 1000000,
    max_result_bytes = 536870912 MIN 1 MAX 536870912,
    max_temporary_data_on_disk_size_for_query = 2147483648 MIN 1 MAX 2147483648,
    max_threads = 2 MIN 1 MAX 2,
    timeout_before_checking_execution_speed = 0 CONST,
    allow_introspection_functions = 0 CONST;

-- Views run with the rights of who made them, so that readers need none on the tables behind.
CREATE SETTINGS PROFILE IF NOT EXISTS tributary_pipeline SETTINGS
    default_normal_view_sql_security = 'DEFINER',
    default_materialized_view_sql_security = 'DEFINER';
