-- needs: highest bid that was not withdrawn, of equal ones the first, and its bidder
create table lots(id serial primary key,title text);
create table bids(id serial primary key,lot_id int not null references lots on delete cascade,bidder text not null,amount numeric(12,2) not null,withdrawn boolean not null default false,placed_at timestamptz not null default now());
