-- needs: amount and currency of the last price, names as an ORM makes them
create table "Product"("Id" uuid primary key default gen_random_uuid(),"Name" text not null default 'x');
create table "ProductPrice"("Id" serial primary key,"ProductId" uuid not null references "Product" on delete cascade,"ValidFrom" timestamp(3) not null default current_timestamp,"Amount" numeric(65,30) not null,"Currency, code" text not null default 'EUR',"Order" int not null default 1);
