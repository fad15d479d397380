-- needs: price of a plan in a currency as of now: prices are entered before they are valid
create table plans(id serial primary key,name text);
create table plan_prices(id serial primary key,plan_id int not null references plans on delete cascade,currency text not null,amount numeric(10,2) not null,valid_from timestamptz not null);
create index on plan_prices(plan_id,currency,valid_from desc,id desc);
