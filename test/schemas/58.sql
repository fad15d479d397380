-- needs: price of a tenant's listing, without prices that are deleted
create table listings(tenant_id int not null,id int not null,title text,price numeric(10,2) not null default 0,primary key(tenant_id,id));
create table listing_prices(tenant_id int not null,id bigserial,listing_id int not null,price numeric(10,2) not null,created_at timestamptz not null default now(),deleted_at timestamptz,primary key(tenant_id,id),foreign key(tenant_id,listing_id) references listings(tenant_id,id) on delete cascade);
