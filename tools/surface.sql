-- The objects of the extension that have no comment.  Array types, the row types of tables and views,
-- and the relation behind a composite type come with another object, which has one.
SELECT pg_describe_object(classid, objid, objsubid)
FROM pg_depend
WHERE refclassid = 'pg_extension'::regclass
	AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'listing_stats')
	AND deptype = 'e'
	AND obj_description(objid, classid::regclass::name) IS NULL
	AND NOT (classid = 'pg_type'::regclass
		AND (EXISTS (SELECT FROM pg_type array_of WHERE array_of.typarray = objid)
			OR EXISTS (SELECT FROM pg_type JOIN pg_class ON pg_class.oid = typrelid
				WHERE pg_type.oid = objid AND relkind <> 'c')))
	AND NOT (classid = 'pg_class'::regclass
		AND (SELECT relkind FROM pg_class WHERE pg_class.oid = objid) = 'c')
ORDER BY 1;
