-- Units that left: what went out in one is kept in the world outside under its name, where the unit stands no more.
create or replace function stock_lies_where_its_unit_stands() returns trigger language plpgsql as $$
begin
  if exists (
    select 1 from balance b
    where b.name = new.balance and not b.virtual and b.on_hand <> 0
      and handling_unit_place(b.handling_unit) is distinct from b.location
  ) then
    raise exception 'stock of % lies elsewhere than the unit', new.handling_unit using errcode = '23514';
  end if;
  return null;
end $$;
