// Devices, walkers and drivers that tests and campaigns share.
global using NasCampaign.Kit;
