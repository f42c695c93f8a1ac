# The workflow can be called from here, too; its profiles are found by the link beside this file.
include: "workflow/Snakefile"


workflow.default_target = "all"  # what is included has no say in it
