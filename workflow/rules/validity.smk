# Can the explanations be trusted? Each check is a table and a figure of the same name.
