-- needs: the last reading of each sensor, all its quantities
create table sensors(id uuid primary key default gen_random_uuid(),name text);
create table readings(sensor_id uuid not null references sensors on delete cascade,"time" timestamptz not null,temperature double precision,humidity real,battery smallint,primary key(sensor_id,"time"));
