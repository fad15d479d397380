-- needs: last values of each device of each site, of a history in partitions
create table devices(site_id int not null,device_no smallint not null,label text,primary key(site_id,device_no));
create table measurements(site_id int not null,device_no smallint not null,ts timestamptz not null,watts double precision,volts real,primary key(site_id,device_no,ts)) partition by range(ts);
create table measurements_early partition of measurements for values from(minvalue) to('2026-01-15');
create table measurements_late partition of measurements for values from('2026-01-15') to('2027-01-01');
create table measurements_default partition of measurements default;
