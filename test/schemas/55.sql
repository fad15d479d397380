-- needs: salary of each employee, the newest and that of a day
create table employees(emp_no int primary key,name text);
create table salaries(emp_no int not null references employees on delete cascade,salary int not null,from_date date not null,to_date date,primary key(emp_no,from_date));
