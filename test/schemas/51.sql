-- needs: the status of a subscription, since when, and why
create type subscription_status as enum('trialing','active','past_due','cancelled');
create table subscriptions(id uuid primary key default gen_random_uuid(),customer text not null);
create table subscription_status_history(id bigserial primary key,subscription_id uuid not null references subscriptions on delete cascade,status subscription_status not null,reason text,valid_from timestamptz not null default now());
