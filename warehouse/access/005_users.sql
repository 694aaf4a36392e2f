-- Give the passwords as parameters: see apply.sh. For people, make users of their own likewise.
CREATE USER IF NOT EXISTS tributary_analyst IDENTIFIED WITH sha256_password BY {analyst_password:String} DEFAULT ROLE NONE;
GRANT analyst TO tributary_analyst;
ALTER USER tributary_analyst DEFAULT ROLE analyst;

CREATE USER IF NOT EXISTS tributary_steward IDENTIFIED WITH sha256_password BY {steward_password:String} DEFAULT ROLE NONE;
GRANT steward TO tributary_steward;
ALTER USER tributary_steward DEFAULT ROLE steward;

CREATE USER IF NOT EXISTS tributary_pipeline IDENTIFIED WITH sha256_password BY {pipeline_password:String} DEFAULT ROLE NONE;
GRANT pipeline TO tributary_pipeline;
ALTER USER tributary_pipeline DEFAULT ROLE pipeline;
