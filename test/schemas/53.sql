-- needs: the rate of a pair of currencies, now and on a day
create table exchange_rates(base char(3) not null,quote char(3) not null,day date not null,rate numeric(18,8) not null,source text,primary key(base,quote,day));
