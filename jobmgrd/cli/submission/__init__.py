"""Commands that submit jobs, and the options that describe a job."""
