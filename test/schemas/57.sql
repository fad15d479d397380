-- needs: the last state of each order, of a history that invoices have too
create table orders(id bigserial primary key,number text);
create table invoices(id bigserial primary key,number text);
create table state_changes(id bigserial primary key,subject_type text not null,subject_id bigint not null,to_state text not null,created_at timestamp(3) not null default now());
create index on state_changes(subject_type,subject_id);
